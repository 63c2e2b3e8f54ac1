"""What only a browser can tell: `make test-browser` runs it in Chromium, if there is one."""
