// Memory of large tensors.
#pragma once

#include <cstdint>

namespace assay {

/// From here on, large tensors live in blocks of their own, which serve the next calls. Activations
/// of some MiB come and go with every call: fresh ones cost page faults, more than a quarter of a
/// small network's time, and in malloc's heap the small results of each unit settle among them, so
/// that it grows with every unit. For the whole process; LibTorch takes no other allocator then.
void keep_large_tensors();

/// Bytes of blocks that tensors use now, of all blocks, and the most that were ever in use at once.
/// `held` is at most `most`.
struct LargeTensors {
  int64_t used = 0;
  int64_t held = 0;
  int64_t most = 0;
};
LargeTensors large_tensors();

}  // namespace assay
