#include "harness/model/memory.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <sys/mman.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <new>
#include <unordered_map>

namespace assay {
namespace {

constexpr size_t kLarge = 256 << 10;
constexpr size_t kUnit = 64 << 10;

class Blocks final : public c10::Allocator {
 public:
  Blocks() : small_(c10::GetDefaultCPUAllocator()) {}

  c10::DataPtr allocate(size_t bytes) override {
    if (bytes < kLarge) return small_->allocate(bytes);
    void* data = take((bytes + kUnit - 1) / kUnit * kUnit);
    return {data, data, &release, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }

  LargeTensors state() {
    const std::lock_guard lock(mutex_);
    return {static_cast<int64_t>(used_), static_cast<int64_t>(held_), static_cast<int64_t>(most_)};
  }

 private:
  static void release(void* data);

  void* take(size_t bytes) {
    const std::lock_guard lock(mutex_);
    // The smallest that is large enough, and not so large that another tensor would miss it.
    auto block = free_.lower_bound(bytes);
    if (block != free_.end() && block->first <= 2 * bytes) {
      void* data = block->second;
      use(data, block->first);
      free_.erase(block);
      return data;
    }
    most_ = std::max(most_, used_ + bytes);
    while (held_ + bytes > most_) give_back(bytes);
    void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (data == MAP_FAILED) throw std::bad_alloc();
    held_ += bytes;
    use(data, bytes);
    return data;
  }

  void use(void* data, size_t bytes) {
    sizes_[data] = bytes;
    used_ += bytes;
    most_ = std::max(most_, used_);
  }

  // One free block to the system: the largest if it is too large for `bytes`, else the smallest.
  void give_back(size_t bytes) {
    const auto last = std::prev(free_.end());
    const auto block = last->first > bytes ? last : free_.begin();
    munmap(block->second, block->first);
    held_ -= block->first;
    free_.erase(block);
  }

  c10::Allocator* small_;
  std::mutex mutex_;
  std::multimap<size_t, void*> free_;
  std::unordered_map<void*, size_t> sizes_;  // of blocks in use
  size_t used_ = 0;
  size_t held_ = 0;
  size_t most_ = 0;
};

// Never destroyed: tensors may outlive every object with a static lifetime.
Blocks& blocks() {
  static Blocks* const all = new Blocks;
  return *all;
}

void Blocks::release(void* data) {
  Blocks& all = blocks();
  {
    const std::lock_guard lock(all.mutex_);
    const auto found = all.sizes_.find(data);
    if (found != all.sizes_.end()) {
      all.used_ -= found->second;
      all.free_.emplace(found->second, data);
      all.sizes_.erase(found);
      return;
    }
  }
  all.small_->raw_deleter()(data);
}

}  // namespace

void keep_large_tensors() { c10::SetCPUAllocator(&blocks(), /*priority=*/1); }

LargeTensors large_tensors() { return blocks().state(); }

}  // namespace assay
