//! From the device that was asked for to a device, or an error: never a silent fallback.

mod arithmetic;

pub use arithmetic::Arithmetic;

use std::path::PathBuf;

use crate::native;
use crate::units::DeviceChoice;

/// Version of libtorch that this program was built with.
pub const LIBTORCH: &str = env!("UNSAID_LIBTORCH_VERSION");

/// A device that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device(tch::Device);

impl Device {
    /// The CPU.
    pub const CPU: Self = Self(tch::Device::Cpu);

    /// libtorch's name for it.
    #[must_use]
    pub fn tch(self) -> tch::Device {
        self.0
    }

    /// Memory that could still be had, bytes, where that is known: on a GPU libtorch's own message says it.
    #[must_use]
    pub fn free_memory(self) -> Option<u64> {
        // What this process keeps for its next tensor is free to it.
        native::give_freed_memory_back();
        (self == Self::CPU).then(|| bytes_of("/proc/meminfo", "MemAvailable:"))?
    }

    /// The most memory that was in use, bytes: of the process on a CPU, of tensors on a GPU. `None` where nobody knows.
    #[must_use]
    pub fn peak_memory(self) -> Option<u64> {
        match self.0 {
            tch::Device::Cuda(n) => native::peak_cuda_memory(n).ok(),
            _ => bytes_of("/proc/self/status", "VmHWM:"),
        }
    }
}

impl std::fmt::Display for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            tch::Device::Cuda(n) => write!(f, "cuda:{n}"),
            _ => f.write_str("cpu"),
        }
    }
}

/// Why a device cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[allow(missing_docs, reason = "the message says what a field is")]
pub enum DeviceError {
    /// There is no CUDA half of libtorch beside the one in use.
    #[error(
        "--device {asked}: no CUDA here: {} does not exist. Run `ci/setup --cuda`, or point LD_LIBRARY_PATH at the \
         lib folder of a CUDA build of torch 2.11.0; or use --device cpu",
        expected.display()
    )]
    NoCudaLibrary { asked: String, expected: PathBuf },
    /// The CUDA half of libtorch did not load.
    #[error(
        "--device {asked}: libtorch's CUDA library does not load: {message}. Use --device cpu, or repair the CUDA installation"
    )]
    CudaUnusable { asked: String, message: String },
    /// TF32 without a GPU.
    #[error("precision tf32 exists on CUDA devices only; use f32 or bf16, or --device cuda")]
    NoTf32,
    /// CUDA works, but the device is not there.
    #[error(
        "--device {asked}: {}", devices(*there))]
    NoSuchDevice { asked: String, there: usize },
}

fn devices(there: usize) -> String {
    match there {
        0 => "no CUDA device was found here; use --device cpu".to_owned(),
        _ => format!(
            "{there} CUDA device(s) were found here; use a number below that, or --device cpu"
        ),
    }
}

/// Finds the device of a choice. Must come before any other use of libtorch in the process: its CUDA half registers on first touch only.
pub fn resolve(choice: DeviceChoice) -> Result<Device, DeviceError> {
    let device = found(choice)?;
    if device == Device::CPU {
        native::keep_freed_memory();
    }
    Ok(device)
}

fn found(choice: DeviceChoice) -> Result<Device, DeviceError> {
    match choice {
        DeviceChoice::Cpu => Ok(Device::CPU),
        // Without a driver there is no device to find, and loading gigabytes to learn that would be slow.
        DeviceChoice::Auto if !driver_present() => Ok(Device::CPU),
        DeviceChoice::Auto => match load_cuda("auto").map(|()| tch::Cuda::device_count()) {
            Ok(1..) => Ok(Device(tch::Device::Cuda(0))),
            _ => Ok(Device::CPU),
        },
        DeviceChoice::Cuda(n) => {
            let asked = format!("cuda:{n}");
            load_cuda(&asked)?;
            let there = usize::try_from(tch::Cuda::device_count()).unwrap_or(0);
            if n < there {
                Ok(Device(tch::Device::Cuda(n)))
            } else {
                Err(DeviceError::NoSuchDevice { asked, there })
            }
        }
    }
}

/// A number of kilobytes in what Linux tells, as bytes.
fn bytes_of(file: &str, key: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(1024 * kilobytes)
}

fn driver_present() -> bool {
    std::path::Path::new("/dev/nvidiactl").exists()
}

/// Loads libtorch's CUDA half from beside the libtorch that is running: its own rpath finds cuBLAS and the rest from there.
fn load_cuda(asked: &str) -> Result<(), DeviceError> {
    let folder = native::loaded_library("libtorch_cpu")
        .and_then(|path| path.parent().map(std::path::Path::to_owned))
        .unwrap_or_default();
    let expected = folder.join("libtorch_cuda.so");
    if !expected.exists() {
        return Err(DeviceError::NoCudaLibrary {
            asked: asked.to_owned(),
            expected,
        });
    }
    let unusable = |message| DeviceError::CudaUnusable {
        asked: asked.to_owned(),
        message,
    };
    native::load_library(&expected).map_err(unusable)?;
    // Loaded is not yet registered: one look at libtorch before this, and CUDA stays dead for the whole process.
    if tch::utils::has_cudart() {
        Ok(())
    } else {
        let message = "it was loaded, but libtorch did not register it".to_owned();
        Err(unusable(message))
    }
}

/// The libtorch this process runs on.
#[must_use]
pub fn library() -> Option<PathBuf> {
    native::loaded_library("libtorch_cpu")
}

/// What there is of CUDA, in words.
#[must_use]
pub fn cuda_state() -> String {
    match load_cuda("cuda") {
        Ok(()) => format!("{} device(s)", tch::Cuda::device_count()),
        Err(DeviceError::NoCudaLibrary { expected, .. }) => {
            format!(
                "none: {} does not exist (ci/setup --cuda brings it)",
                expected.display()
            )
        }
        Err(e) => e.to_string(),
    }
}

/// Uses `threads` CPU threads where given; tells how many are in use.
#[must_use]
pub fn set_threads(threads: Option<usize>) -> usize {
    if let Some(n) = threads {
        tch::set_num_threads(i32::try_from(n).unwrap_or(i32::MAX));
    }
    usize::try_from(tch::get_num_threads()).unwrap_or(1)
}
