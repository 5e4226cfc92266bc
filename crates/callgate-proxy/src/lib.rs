//! The data plane: listen, authenticate, translate, decide, forward, refuse
