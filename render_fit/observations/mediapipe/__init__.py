"""Observer that uses MediaPipe Pose."""
