//! coordinator/store
