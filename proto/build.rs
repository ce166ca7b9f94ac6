//! Generates the gRPC messages (always) and services (feature `grpc`) without `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let files = protox::compile(["proto/stoa/v1/mesh.proto"], ["proto"])?;
    let mut config = prost_build::Config::new();
    // Maps in key order, so that the same provision has the same bytes.
    config.btree_map(["."]);
    let services = std::env::var_os("CARGO_FEATURE_GRPC").is_some();
    tonic_prost_build::configure()
        .build_client(services)
        .build_server(services)
        .compile_fds_with_config(files, config)?;
    Ok(())
}
