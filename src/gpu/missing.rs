//! Why an adapter is missing, and what to install: the loader, drivers, permissions, containers, the environment.

use std::path::{Path, PathBuf};

use super::adapters::AdapterReport;

/// What was looked at. Gathering it and judging it are separate so that every judgement is tested on any machine.
#[derive(Debug, Clone, Default, PartialEq)]
struct Surroundings {
    /// Whether the Vulkan loader can be opened; `None` where another API is the system's own.
    loader: Option<bool>,
    /// Driver manifests that the loader would read.
    manifests: Vec<PathBuf>,
    /// Variables that hide or choose drivers, with their values.
    variables: Vec<(String, String)>,
    /// Those of the variables' files that do not exist.
    absent: Vec<PathBuf>,
    /// Device nodes of GPUs, and whether this user may open them.
    nodes: Vec<(PathBuf, bool)>,
    /// Signs of an NVIDIA GPU (device nodes, `/proc/driver/nvidia`).
    nvidia: bool,
}

/// Variables that make the Vulkan loader or a driver pass over adapters.
const HIDING: [&str; 9] = [
    "VK_DRIVER_FILES",
    "VK_ICD_FILENAMES",
    "VK_LOADER_DRIVERS_SELECT",
    "VK_LOADER_DRIVERS_DISABLE",
    "VK_LOADER_DEVICE_SELECT",
    "MESA_VK_DEVICE_SELECT",
    "DRI_PRIME",
    "NVIDIA_VISIBLE_DEVICES",
    "NVIDIA_DRIVER_CAPABILITIES",
];

/// Where the loader looks for driver manifests.
const FOLDERS: [&str; 4] =
    ["/usr/share/vulkan/icd.d", "/usr/local/share/vulkan/icd.d", "/etc/vulkan/icd.d", "/usr/local/etc/vulkan/icd.d"];

/// Why an adapter that one could expect is not among `found`, one sentence each, with what to do. Empty when nothing
/// looks wrong.
#[must_use]
pub fn missing(found: &[AdapterReport]) -> Vec<String> {
    judge(&look(), found)
}

fn judge(around: &Surroundings, found: &[AdapterReport]) -> Vec<String> {
    let mut reasons = Vec::new();
    let hardware = found.iter().any(|adapter| !adapter.software);
    if around.loader == Some(false) {
        reasons.push(
            "the Vulkan loader libvulkan.so.1 is not installed: apt-get install libvulkan1 mesa-vulkan-drivers (Fedora: \
             dnf install vulkan-loader mesa-vulkan-drivers)"
                .to_string(),
        );
    }
    for file in &around.absent {
        reasons.push(format!(
            "VK_DRIVER_FILES or VK_ICD_FILENAMES names {}, which does not exist: correct or unset it",
            file.display()
        ));
    }
    if around.loader == Some(true) && around.manifests.is_empty() && around.absent.is_empty() {
        reasons.push(
            "the Vulkan loader finds no driver (no manifest in /usr/share/vulkan/icd.d or /etc/vulkan/icd.d): install \
             your GPU's driver, or Mesa's with apt-get install mesa-vulkan-drivers"
                .to_string(),
        );
    }
    if !hardware {
        for (node, _) in around.nodes.iter().filter(|(_, open)| !open) {
            reasons.push(format!(
                "{} cannot be opened by this user: join the group that owns it (usermod -aG render,video $USER) and log in \
                 again",
                node.display()
            ));
        }
        let nvidia_manifest = around.manifests.iter().any(|path| path.to_string_lossy().contains("nvidia"));
        if around.nvidia && !nvidia_manifest {
            reasons.push(
                "an NVIDIA GPU is here but not its Vulkan driver file nvidia_icd.json: in a container, start it with \
                 NVIDIA_DRIVER_CAPABILITIES=all (or graphics,compute,utility) and the host's \
                 /usr/share/vulkan/icd.d/nvidia_icd.json; on a host, install the driver's Vulkan part (libnvidia-gl)"
                    .to_string(),
            );
        } else if around.nvidia {
            reasons.push(
                "an NVIDIA GPU and nvidia_icd.json are here but the driver does not load: the libraries of libnvidia-gl \
                 must match the kernel module's version (cat /proc/driver/nvidia/version)"
                    .to_string(),
            );
        }
        // A file that does not exist is named above already.
        let named = |name: &str| !around.absent.is_empty() && ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"].contains(&name);
        for (name, value) in around.variables.iter().filter(|(name, value)| hides(name, value) && !named(name)) {
            reasons.push(format!("the variable {name}={value} may hide an adapter: unset it and try again"));
        }
        if !found.is_empty() && reasons.is_empty() && around.loader.is_some() {
            if around.nodes.is_empty() {
                reasons.push(
                    "no GPU's device node is visible (/dev/dri is empty): in a container or virtual machine, pass the \
                     device through (docker run --device /dev/dri, or --gpus all)"
                        .to_string(),
                );
            } else {
                reasons.push(
                    "a GPU's device node is here but no driver lists it: install or update its Vulkan driver"
                        .to_string(),
                );
            }
        }
    }
    reasons
}

/// Whether a variable with this value can make an adapter invisible.
fn hides(name: &str, value: &str) -> bool {
    match name {
        "NVIDIA_VISIBLE_DEVICES" => ["void", "none"].contains(&value),
        "NVIDIA_DRIVER_CAPABILITIES" => !value.split(',').any(|part| ["all", "graphics"].contains(&part.trim())),
        // Some base images set the others to nothing, which hides nothing.
        _ => !value.is_empty(),
    }
}

/// Looks at this machine.
fn look() -> Surroundings {
    let variables: Vec<(String, String)> =
        HIDING.iter().filter_map(|name| Some(((*name).to_string(), std::env::var(name).ok()?))).collect();
    if !cfg!(target_os = "linux") {
        return Surroundings { variables, ..Surroundings::default() };
    }
    // VK_DRIVER_FILES replaces VK_ICD_FILENAMES, and either replaces the folders.
    let named = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"].iter().find_map(std::env::var_os);
    let (manifests, absent) = match &named {
        Some(list) => {
            let (there, absent): (Vec<_>, Vec<_>) =
                std::env::split_paths(list).filter(|path| !path.as_os_str().is_empty()).partition(|path| path.exists());
            (there.iter().flat_map(|path| manifests_at(path)).collect(), absent)
        }
        None => {
            let home = std::env::home_dir().map(|home| home.join(".local/share/vulkan/icd.d"));
            let folders = FOLDERS.iter().map(PathBuf::from).chain(home);
            (folders.flat_map(|folder| manifests_at(&folder)).collect(), Vec::new())
        }
    };
    let nodes: Vec<(PathBuf, bool)> = entries(Path::new("/dev/dri"))
        .into_iter()
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("renderD")))
        .map(|path| {
            let open = std::fs::OpenOptions::new().read(true).write(true).open(&path).is_ok();
            (path, open)
        })
        .collect();
    let nvidia = Path::new("/dev/nvidiactl").exists() || Path::new("/proc/driver/nvidia/version").exists();
    Surroundings { loader: Some(loader_opens()), manifests, variables, absent, nodes, nvidia }
}

/// The driver manifests in a folder, or the file itself.
fn manifests_at(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_path_buf()];
    }
    entries(path).into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "json")).collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

#[cfg(target_os = "linux")]
fn loader_opens() -> bool {
    // SAFETY: opening the loader runs its initialisers, as creating an instance does; the name is a C string.
    let handle = unsafe { libc::dlopen(c"libvulkan.so.1".as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
    if handle.is_null() {
        return false;
    }
    // SAFETY: the handle came from dlopen and nothing from the library is held.
    unsafe { libc::dlclose(handle) };
    true
}

#[cfg(not(target_os = "linux"))]
fn loader_opens() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::adapters::{AdapterKind, tests::report};

    fn sound() -> Surroundings {
        Surroundings { loader: Some(true), manifests: vec!["/x/radeon_icd.json".into()], ..Surroundings::default() }
    }

    fn software() -> [AdapterReport; 1] {
        [report(0, "llvmpipe", AdapterKind::Cpu, "vulkan", "")]
    }

    fn reasons(around: &Surroundings, found: &[AdapterReport]) -> String {
        judge(around, found).join("\n")
    }

    #[test]
    fn a_working_gpu_needs_no_excuse() {
        let gpu = [report(0, "Card", AdapterKind::Discrete, "vulkan", "")];
        let around = Surroundings {
            variables: vec![("DRI_PRIME".into(), "1".into())],
            nodes: vec![("/dev/dri/renderD129".into(), false)],
            nvidia: true,
            ..sound()
        };
        assert_eq!(reasons(&around, &gpu), "");
    }

    #[test]
    fn each_cause_is_named_with_its_remedy() {
        let loader = Surroundings { loader: Some(false), ..Surroundings::default() };
        assert!(reasons(&loader, &[]).contains("apt-get install libvulkan1"));
        let drivers = Surroundings { loader: Some(true), ..Surroundings::default() };
        assert!(reasons(&drivers, &[]).contains("no driver"));
        let absent = Surroundings { absent: vec!["/none.json".into()], manifests: vec![], ..sound() };
        let text = reasons(&absent, &[]);
        assert!(text.contains("/none.json") && !text.contains("finds no driver"));
        let twice = Surroundings { variables: vec![("VK_DRIVER_FILES".into(), "/none.json".into())], ..absent };
        assert_eq!(judge(&twice, &[]).len(), 1);
        let node = Surroundings { nodes: vec![("/dev/dri/renderD128".into(), false)], ..sound() };
        assert!(reasons(&node, &software()).contains("renderD128"));
        let nvidia = Surroundings { nvidia: true, ..sound() };
        assert!(reasons(&nvidia, &software()).contains("NVIDIA_DRIVER_CAPABILITIES"));
        let mismatch = Surroundings { manifests: vec!["/x/nvidia_icd.json".into()], ..nvidia };
        assert!(reasons(&mismatch, &software()).contains("match the kernel module"));
        let hidden = Surroundings { variables: vec![("VK_ICD_FILENAMES".into(), "/x".into())], ..sound() };
        assert!(reasons(&hidden, &software()).contains("VK_ICD_FILENAMES=/x"));
        assert!(reasons(&sound(), &software()).contains("/dev/dri is empty"));
        let unlisted = Surroundings { nodes: vec![("/dev/dri/renderD128".into(), true)], ..sound() };
        assert!(reasons(&unlisted, &software()).contains("no driver lists it"));
    }

    #[test]
    fn only_values_that_hide_something_are_named() {
        assert!(hides("VK_ICD_FILENAMES", "/x.json") && !hides("VK_ICD_FILENAMES", ""));
        assert!(hides("NVIDIA_VISIBLE_DEVICES", "void") && !hides("NVIDIA_VISIBLE_DEVICES", "all"));
        assert!(hides("NVIDIA_DRIVER_CAPABILITIES", "compute,utility"));
        assert!(
            !hides("NVIDIA_DRIVER_CAPABILITIES", "compute, graphics") && !hides("NVIDIA_DRIVER_CAPABILITIES", "all")
        );
    }

    #[test]
    fn looking_at_this_machine_never_fails() {
        let _ = missing(&[]);
    }
}
