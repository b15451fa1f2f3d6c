"""What the compiler's programs and the switch can do on this machine; `./lab bench` runs these and writes them down."""
