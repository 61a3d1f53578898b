"""What `deploy` and `compress --target` do with the plans of stores."""
