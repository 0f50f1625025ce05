"""What joins the training loop."""
