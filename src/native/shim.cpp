// What tch lacks, reached through libtorch's own dispatcher. Every function returns 0, or 1 with the message in `error`.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/ops/_fused_adamw.h>

#include <cstring>

namespace {

int fail(const char *what, char *error, size_t room) {
  std::strncpy(error, what, room - 1);
  error[room - 1] = '\0';
  return 1;
}

} // namespace

extern "C" {

// AdamW on one tensor, in place, in a single pass on all cores (or one launch on a GPU).
int unsaid_fused_adamw(void *parameter, void *gradient, void *mean, void *square,
                       double step, double learning_rate, double beta1, double beta2,
                       double weight_decay, double epsilon, char *error, size_t room) {
  try {
    auto &p = *static_cast<at::Tensor *>(parameter);
    auto state_step = at::scalar_tensor(step, p.options().dtype(at::kFloat));
    at::_fused_adamw_({p}, {*static_cast<at::Tensor *>(gradient)},
                      {*static_cast<at::Tensor *>(mean)}, {*static_cast<at::Tensor *>(square)}, {},
                      {state_step}, learning_rate, beta1, beta2, weight_decay, epsilon,
                      /*amsgrad=*/false, /*maximize=*/false);
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
