# a pinned buffer is filled again before it was copied
# test: test_backend batches change nothing
s/CUDA_TRY(cudaEventSynchronize(stage->free), "waiting for a buffer");//
