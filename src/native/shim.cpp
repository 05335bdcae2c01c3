// What tch lacks, reached through libtorch's own dispatcher. Every function returns 0, or 1 with the message in `error`.
#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/ops/_fused_adamw.h>
#include <c10/core/CachingDeviceAllocator.h>

#include <cstring>
#include <vector>

namespace {

int fail(const char *what, char *error, size_t room) {
  std::strncpy(error, what, room - 1);
  error[room - 1] = '\0';
  return 1;
}

} // namespace

extern "C" {

struct UnsaidSlice {
  at::Tensor *parameters, *grad, *mean, *square;
};

// AdamW on a few tensors, in place, in a single pass on all cores (or a few launches on a GPU).
int unsaid_fused_adamw(const UnsaidSlice *slices, size_t count, double step, double learning_rate,
                       double beta1, double beta2, double weight_decay, double epsilon,
                       char *error, size_t room) {
  try {
    std::vector<at::Tensor> parameters, grads, means, squares, steps;
    for (size_t i = 0; i < count; ++i) {
      const auto &s = slices[i];
      parameters.push_back(*s.parameters);
      grads.push_back(*s.grad);
      means.push_back(*s.mean);
      squares.push_back(*s.square);
      steps.push_back(at::full({}, step, s.parameters->options().dtype(at::kFloat)));
    }
    at::_fused_adamw_(parameters, grads, means, squares, {}, steps, learning_rate, beta1, beta2,
                      weight_decay, epsilon, /*amsgrad=*/false, /*maximize=*/false);
    return 0;
  } catch (const std::exception &e) {
    return fail(e.what(), error, room);
  }
}

// Whether float32 products on CUDA may round their operands to TF32.
int unsaid_allow_tf32(bool allow, char *error, size_t room) {
  try {
    at::globalContext().setAllowTF32CuBLAS(allow);
    return 0;
  } catch (const std::exception &e) {
    return fail(e.what(), error, room);
  }
}

// The most bytes that tensors on a CUDA device have held at once.
int unsaid_peak_memory(int device, uint64_t *bytes, char *error, size_t room) {
  try {
    auto *allocator = at::getDeviceAllocator(at::kCUDA);
    const auto index = static_cast<c10::DeviceIndex>(device);
    const auto stats = allocator->getDeviceStats(index);
    constexpr auto all = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
    *bytes = static_cast<uint64_t>(stats.allocated_bytes[all].peak);
    return 0;
  } catch (const std::exception &e) {
    return fail(e.what(), error, room);
  }
}

// Calls `body` on disjoint ranges of 0…n on libtorch's own threads.
int unsaid_parallel_for(int64_t n, int64_t grain, void (*body)(void *, int64_t, int64_t), void *context,
                        char *error, size_t room) {
  try {
    at::parallel_for(0, n, grain, [&](int64_t from, int64_t to) { body(context, from, to); });
    return 0;
  } catch (const std::exception &e) {
    return fail(e.what(), error, room);
  }
}
}
