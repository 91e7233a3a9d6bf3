"""The command line: one small file a command under `dashcam/commands/`, no logic of its own."""
