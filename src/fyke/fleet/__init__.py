"""The engines that run nodes, as far as the installation asks something of them."""
