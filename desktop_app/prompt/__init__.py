"""What a prompt says, as plain text work. Plain Python."""
