"""BlazePose: person detector and pose landmark network, as torch modules with the weights of MediaPipe Pose."""
