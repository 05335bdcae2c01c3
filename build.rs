//! Checks the libtorch that torch-sys was built with, and tells the linker and the crate where it is.
//!
//! Without the feature `torch` there is nothing to do. torch-sys looks only at a file `build-version`, which wheels lack; this looks at libtorch's own header. What is wrong is
//! said as cargo's own errors, with the fix. Without any libtorch torch-sys fails before this runs: see `ci/no-libtorch/`.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// The libtorch series that tch 0.24 and torch-sys 0.24 were made for.
const NEEDED: &str = "2.11";
const HEADER: &str = "include/torch/headeronly/version.h";

struct Libtorch {
    lib: PathBuf,
    include: PathBuf,
    version: String,
}

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var_os("CARGO_FEATURE_TORCH").is_none() {
        return;
    }
    match find().and_then(check) {
        Ok(libtorch) => {
            compile_shim(&libtorch);
            link(&libtorch);
        }
        Err(message) => {
            for line in message.lines() {
                println!("cargo::error={line}");
            }
        }
    }
}

/// The folder of libraries that torch-sys linked, and the headers beside it.
fn find() -> Result<(PathBuf, PathBuf), String> {
    let lib = env::var_os("DEP_TCH_LIBTORCH_LIB").map(PathBuf::from).ok_or(
        "torch-sys did not say where its libtorch is (DEP_TCH_LIBTORCH_LIB): \
         it must stay a direct dependency, without its feature doc-only, and the platform Linux or macOS",
    )?;
    // include/ stands beside lib/, unless torch-sys was pointed elsewhere for it.
    println!("cargo::rerun-if-env-changed=LIBTORCH_INCLUDE");
    let root = env::var_os("LIBTORCH_INCLUDE")
        .map(PathBuf::from)
        .or_else(|| lib.parent().map(Path::to_path_buf))
        .ok_or_else(|| format!("{} has no folder above it", lib.display()))?;
    Ok((lib, root.join(HEADER)))
}

fn check((lib, header): (PathBuf, PathBuf)) -> Result<Libtorch, String> {
    println!("cargo::rerun-if-changed={}", header.display());
    let text = fs::read_to_string(&header).map_err(|source| {
        format!(
            "no libtorch {NEEDED}: {} cannot be read ({source})\nrun `ci/setup` in the repository's root, then build again",
            header.display()
        )
    })?;
    let part = |name: &str| {
        text.lines()
            .filter_map(|line| line.strip_prefix("#define TORCH_VERSION_"))
            .find_map(|line| line.strip_prefix(name)?.trim().parse::<u32>().ok())
            .ok_or_else(|| format!("{} defines no TORCH_VERSION_{name}", header.display()))
    };
    let version = format!("{}.{}.{}", part("MAJOR")?, part("MINOR")?, part("PATCH")?);
    if version
        .strip_prefix(NEEDED)
        .is_none_or(|rest| !rest.starts_with('.'))
    {
        return Err(format!(
            "found libtorch {version} at {}, needed is {NEEDED}.x\n\
             unset LIBTORCH or set it to a libtorch {NEEDED}.x, then run `ci/setup` in the repository's root and build again",
            header.display()
        ));
    }
    let include = header
        .ancestors()
        .nth(3)
        .map(Path::to_path_buf)
        .unwrap_or_default();
    Ok(Libtorch {
        lib,
        include,
        version,
    })
}

/// Compiles the few calls that tch lacks against libtorch's own headers.
fn compile_shim(libtorch: &Libtorch) {
    println!("cargo::rerun-if-changed=src/native/shim.cpp");
    let linux = env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux");
    let mut build = cc::Build::new();
    if linux {
        // libtorch's own threads. Elsewhere its headers fall back to one thread without this.
        build.flag("-fopenmp");
    }
    build
        .cpp(true)
        .std("c++17")
        .opt_level(2)
        .warnings(false)
        .include(&libtorch.include)
        .file("src/native/shim.cpp")
        .compile("unsaid_shim");
    if linux {
        println!("cargo::rustc-link-lib=gomp");
    }
}

/// Says where binaries, tests and doc-tests find libtorch when they run: where it was found now, or, for a binary that was
/// copied to another machine, in `lib/` beside it or beside its folder.
fn link(libtorch: &Libtorch) {
    let lib = libtorch.lib.display();
    let (origin, linux) = match env::var("CARGO_CFG_TARGET_OS").as_deref() {
        Ok("macos") => ("@loader_path", false),
        _ => ("$ORIGIN", true),
    };
    println!("cargo::rustc-link-arg=-Wl,-rpath,{lib}");
    println!("cargo::rustc-link-arg=-Wl,-rpath,{origin}/../lib");
    println!("cargo::rustc-link-arg=-Wl,-rpath,{origin}/lib");
    if linux {
        // As RUNPATH, so that LD_LIBRARY_PATH wins over it where the binary was copied to.
        println!("cargo::rustc-link-arg=-Wl,--enable-new-dtags");
    }
    println!("cargo::rustc-env=UNSAID_LIBTORCH_DIR={lib}");
    println!(
        "cargo::rustc-env=UNSAID_LIBTORCH_VERSION={}",
        libtorch.version
    );
}
