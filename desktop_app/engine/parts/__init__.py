"""What several model families are made of; a part knows no family."""
