"""The KServe v2 protocol (Open Inference Protocol), as Triton and others speak it: tensors, HTTP, gRPC."""
