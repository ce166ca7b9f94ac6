//! coordinator/mesh
