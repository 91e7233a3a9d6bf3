window.dashcam.start();
