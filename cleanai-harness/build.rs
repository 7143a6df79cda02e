//! Compiles the C++ file that opens TorchScript modules and makes libtorch findable at run time.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "torch")]
    torch::build();
}

#[cfg(feature = "torch")]
mod torch {
    use std::path::{Path, PathBuf};
    use std::{env, fs};

    pub fn build() {
        let library = PathBuf::from(env::var_os("DEP_TCH_LIBTORCH_LIB").expect("torch-sys names its library folder"));
        make_findable(&library);
        compile(&library);
    }

    /// Cargo puts link-search folders inside `OUT_DIR` on the loader path of whatever it runs, so a link there
    /// lets `cargo test`, `cargo run` and nextest of every downstream crate find libtorch without a variable set by hand.
    fn make_findable(library: &Path) {
        let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
        let link = out.join("libtorch");
        if fs::symlink_metadata(&link).is_ok() {
            fs::remove_file(&link).unwrap_or_else(|e| panic!("cannot replace {}: {e}", link.display()));
        }
        #[cfg(unix)]
        std::os::unix::fs::symlink(library, &link)
            .unwrap_or_else(|e| panic!("cannot link {} to {}: {e}", link.display(), library.display()));
        println!("cargo::rustc-link-search=native={}", link.display());
    }

    fn compile(library: &Path) {
        println!("cargo::rerun-if-changed=src/model/torchscript/engine");
        println!("cargo::rerun-if-env-changed=LIBTORCH_INCLUDE");
        println!("cargo::rerun-if-env-changed=LIBTORCH_CXX11_ABI");
        let root = env::var_os("LIBTORCH_INCLUDE")
            .map_or_else(|| library.parent().expect("the library folder has a parent").to_path_buf(), PathBuf::from);
        let abi = env::var("LIBTORCH_CXX11_ABI").unwrap_or_else(|_| "1".into());
        cc::Build::new()
            .cpp(true)
            .pic(true)
            .warnings(false)
            .opt_level(2)
            .include(root.join("include"))
            .include(root.join("include/torch/csrc/api/include"))
            .flag("-std=c++17")
            // libtorch is built without its debug checks, which add members to some of its classes.
            .define("NDEBUG", None)
            .flag(format!("-D_GLIBCXX_USE_CXX11_ABI={abi}"))
            .file("src/model/torchscript/engine/engine.cpp")
            .compile("cleanai_engine");
    }
}
