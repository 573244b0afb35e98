"""Hook scripts as they are installed (package git_model_driver.hooks)."""
