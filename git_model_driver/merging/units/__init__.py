"""What is not merged number by number: classes of tensors with a way of their own,
and tensors that mean something only together."""
