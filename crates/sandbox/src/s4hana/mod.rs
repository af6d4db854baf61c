//! A simulated S/4HANA.
