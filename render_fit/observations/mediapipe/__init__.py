"""TODO mediapipe_"""
