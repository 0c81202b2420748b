"""What a person sees at a terminal: progress, interrupts, texts."""
