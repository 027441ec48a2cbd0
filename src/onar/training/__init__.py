"""`onar train`: a run put together, its loop, one step of it, and the results folder it leaves."""
