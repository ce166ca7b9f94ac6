//! marble-sdk
