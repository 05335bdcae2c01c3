//! The only module with `unsafe`: what libtorch and the system offer and no safe crate covers.
#![allow(unsafe_code)]

mod kernels;
mod rows;
mod torch;

pub(crate) use rows::{Gathered, take_tile, tile_to_slopes};
pub(crate) use torch::{
    AdamWSlice, AdamWStep, allow_tf32, fused_adamw, has_bf16_products, peak_cuda_memory,
};

use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Loads a shared library for the life of the process, its symbols kept to itself.
///
/// Errors: the loader's own message.
pub(crate) fn load_library(path: &Path) -> Result<(), String> {
    let name = CString::new(path.as_os_str().as_bytes())
        .map_err(|_| format!("{} holds a zero byte", path.display()))?;
    // SAFETY: `name` is a zero-terminated string that outlives the call. Running the library's initialisers is what
    // is asked for; it is libtorch's own CUDA half, found beside the libtorch that is already loaded.
    let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
    if !handle.is_null() {
        return Ok(());
    }
    // SAFETY: after a failed dlopen, dlerror gives a zero-terminated string that is valid until the next loader call
    // on this thread, or null; it is copied at once.
    let message = unsafe {
        let text = libc::dlerror();
        if text.is_null() {
            "unknown loader error".to_owned()
        } else {
            CStr::from_ptr(text).to_string_lossy().into_owned()
        }
    };
    Err(message)
}

/// The real path of a library this process has loaded, by the beginning of its file name.
pub(crate) fn loaded_library(stem: &str) -> Option<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    maps.lines()
        .filter_map(|line| line.find('/').map(|at| PathBuf::from(&line[at..])))
        .find(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(stem))
        })
}

/// Maps a file into memory, read-only.
///
/// Errors: the system refuses, or the file is empty.
pub(crate) fn map_file(file: &std::fs::File) -> std::io::Result<memmap2::Mmap> {
    // SAFETY: the map is read-only. Another process that cuts the file short while it is mapped would fault us: that is
    // the known limit of every mapped reader, and nothing here depends on the bytes staying the same between two reads
    // for its memory safety.
    unsafe { memmap2::Mmap::map(file) }
}

/// Lets the system take back the memory of a part of a map that has been read; it is read from the file again where needed.
pub(crate) fn forget_pages(map: &memmap2::Mmap, part: &[u8]) {
    let from = (part.as_ptr() as usize).wrapping_sub(map.as_ptr() as usize);
    if from
        .checked_add(part.len())
        .is_none_or(|end| end > map.len())
    {
        return;
    }
    // SAFETY: the map is of a file and read-only, so dropped pages come back with the file's bytes: nothing that a reference
    // into the map can see is lost.
    let told =
        unsafe { map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, from, part.len()) };
    // Advice: a system that does not take it keeps the pages.
    told.ok();
}

/// Keeps freed memory for the next tensor of its size, where the system's allocator is glibc's.
///
/// By default glibc maps each large block afresh and gives it back when it is freed; a training step would then spend
/// several percent of its time on the system clearing pages.
pub(crate) fn keep_freed_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt reads its two numbers and changes how the allocator works from here on, never what it gave out.
    unsafe {
        libc::mallopt(libc::M_MMAP_MAX, 0);
        // Never at the end of the heap either.
        libc::mallopt(libc::M_TRIM_THRESHOLD, -1);
    }
}

/// Gives freed memory back to the system, where the system's allocator is glibc's.
pub(crate) fn give_freed_memory_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: only pages that hold nothing in use are given back.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Flushes what was printed and ends the process at once, without running static destructors.
pub(crate) fn leave(code: u8) -> ! {
    use std::io::Write;
    // A closed pipe is no reason not to leave.
    let _ = std::io::stdout().flush();
    // SAFETY: _exit never returns and touches no memory of ours.
    unsafe { libc::_exit(i32::from(code)) }
}
