"""A student's answers, judged step by step; and what an exercise can and cannot show."""
