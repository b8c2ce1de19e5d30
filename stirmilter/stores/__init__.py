"""What is remembered: certificates, replay keys."""
