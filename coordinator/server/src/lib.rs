//! coordinator/server
