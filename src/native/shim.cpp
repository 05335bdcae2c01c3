// What tch lacks, reached through libtorch's own dispatcher. Every function returns 0, or 1 with the message in `error`.
#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/ops/_fused_adamw.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cstring>
#include <vector>

namespace {

int fail(const char *what, char *error, size_t room) {
  std::strncpy(error, what, room - 1);
  error[room - 1] = '\0';
  return 1;
}

// Attention on rows of queries, keys and values: what is computed is the caller's; this joins it to autograd.
struct Attention : torch::autograd::Function<Attention> {
  using Forward = int (*)(at::Tensor *qkv, at::Tensor *cos, at::Tensor *sin, at::Tensor *out);
  using Backward = int (*)(at::Tensor *qkv, at::Tensor *cos, at::Tensor *sin, at::Tensor *slopes,
                           at::Tensor *out);

  // `qkv` is [batch, time, heads, 3 * dims]; gives [batch, time, heads, dims]. The pointers are integers to autograd.
  static at::Tensor forward(torch::autograd::AutogradContext *ctx, at::Tensor qkv, at::Tensor cos, at::Tensor sin,
                            int64_t forward, int64_t backward) {
    auto sizes = qkv.sizes().vec();
    sizes.back() /= 3;
    auto out = at::empty(sizes, qkv.options());
    TORCH_CHECK(reinterpret_cast<Forward>(forward)(&qkv, &cos, &sin, &out) == 0, "attention refused its tensors");
    ctx->save_for_backward({qkv, cos, sin});
    ctx->saved_data["backward"] = backward;
    return out;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext *ctx,
                                                 torch::autograd::variable_list slopes) {
    auto saved = ctx->get_saved_variables();
    auto by_out = slopes[0].contiguous();
    auto out = at::empty_like(saved[0]);
    const auto call = reinterpret_cast<Backward>(ctx->saved_data["backward"].toInt());
    TORCH_CHECK(call(&saved[0], &saved[1], &saved[2], &by_out, &out) == 0, "attention refused its derivatives");
    return {out, {}, {}, {}, {}};
  }
};

} // namespace

extern "C" {

struct UnsaidGroup {
  at::Tensor *parameters, *grad, *mean, *square;
};

// AdamW on a few tensors, in place, in a single pass on all cores (or a few launches on a GPU).
int unsaid_fused_adamw(const UnsaidGroup *groups, size_t count, double step, double learning_rate,
                       double beta1, double beta2, double weight_decay, double epsilon,
                       char *error, size_t room) {
  try {
    std::vector<at::Tensor> parameters, grads, means, squares, steps;
    for (size_t i = 0; i < count; ++i) {
      const auto &g = groups[i];
      parameters.push_back(*g.parameters);
      grads.push_back(*g.grad);
      means.push_back(*g.mean);
      squares.push_back(*g.square);
      steps.push_back(at::full({}, step, g.parameters->options().dtype(at::kFloat)));
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

// The most bytes that tensors on a CUDA device have held since the last reset.
int unsaid_peak_memory(int device, bool reset, uint64_t *bytes, char *error, size_t room) {
  try {
    auto *allocator = at::getDeviceAllocator(at::kCUDA);
    const auto index = static_cast<c10::DeviceIndex>(device);
    const auto stats = allocator->getDeviceStats(index);
    constexpr auto all = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
    *bytes = static_cast<uint64_t>(stats.allocated_bytes[all].peak);
    if (reset) allocator->resetPeakStats(index);
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

// Attention with the two passes given; `out` is a new tensor, the caller's.
int unsaid_attention(const at::Tensor *qkv, const at::Tensor *cos, const at::Tensor *sin, Attention::Forward forward,
                     Attention::Backward backward, at::Tensor **out, char *error, size_t room) {
  try {
    *out = new at::Tensor(Attention::apply(*qkv, *cos, *sin, reinterpret_cast<int64_t>(forward),
                                           reinterpret_cast<int64_t>(backward)));
    return 0;
  } catch (const std::exception &e) {
    return fail(e.what(), error, room);
  }
}
}
