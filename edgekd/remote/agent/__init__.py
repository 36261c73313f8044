"""What is done on the board, by the board's Python alone: sent over the connection for each request, never installed.

Standard library only, and nothing of edgekd but these modules. A request is a JSON line on stdin, perhaps with bytes
behind it; answers are JSON lines on stdout, the last one ``done`` or ``error``. Everything lies below one folder:

    store/SHA256         files by their content
    packages/KEY/        Python packages, complete when edgekd-packages.json is there
    code/SHA256/         edgekd itself
    engines/KEY/         TensorRT engines that were built there
    jobs/KEY/            a measurement: job.json, bundles/, progress.jsonl, results/, state.json
"""
