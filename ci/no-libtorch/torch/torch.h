// Found only where libtorch is not: .cargo/config.toml puts this folder last in the compiler's search.
// It turns torch-sys's failure to find its headers into one that says what to do.
#error "libtorch is not set up: run ci/setup in the repository's root, then build again"
#include "libtorch is not set up: run ci/setup in the repository's root, then build again"
