//! What the product promises in bad company.
