"""The observer ``transformers``: networks of the Hugging Face hub for detection, pose and human parsing."""
