//! Disks and stores that fail, and power that does.
