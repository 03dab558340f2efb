"""What a result costs beside the best classical solver of the same error, and after how many solves it repays."""
