//! connector-s4hana
