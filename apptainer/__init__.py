"""Images and the Apptainer runtime: nothing of it is here yet, programs run natively."""
