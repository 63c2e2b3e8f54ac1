"""What the user wrote -> a validated problem."""
