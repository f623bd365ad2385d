"""Igor from Python: `igor.worker` runs tasks, `igor.Client` submits, watches and steers jobs over HTTP."""
