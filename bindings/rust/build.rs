//! Links libdmm: from DMM_LIB_DIR if that is set, else from where the linker looks.

use std::env;

fn main() {
    println!("cargo:rerun-if-env-changed=DMM_LIB_DIR");
    if let Ok(directory) = env::var("DMM_LIB_DIR") {
        println!("cargo:rustc-link-search=native={directory}");
    }
    // The C library has every name of malloc too: a linker that drops unneeded libraries would drop this one, which
    // dmm_stats, a name of its own, prevents.
    // -bundle: rustc before 1.67 cannot put a whole archive into a crate; the final link then takes it from the directory.
    let kind = if env::var_os("CARGO_FEATURE_STATIC").is_some() { "static:+whole-archive,-bundle" } else { "dylib" };
    println!("cargo:rustc-link-lib={kind}=dmm");
}
