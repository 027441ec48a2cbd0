"""The networks as ONNX graphs: what each computes in evaluation mode, in the form that costs least."""
