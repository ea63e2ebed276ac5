"""What is checked and measured on a GPU, by `bash bench/gpu.sh` or `python -m bench.gpu`."""
