# What is longer than a line of cargo. Without `just`, run the lines below by hand.

# The gateway beside the bare floor of the same libraries: what a request costs, and the ratio.
load rounds="7":
    cargo bench --profile dist -p interlingua --bench load -- beside {{ rounds }}

# Four times as many requests as the gateway sustains, for so many seconds in each of two scenarios.
overload seconds="60":
    cargo bench --profile dist -p interlingua --bench load -- overload {{ seconds }}

# 5,000 requests a second for so many seconds, while certificates, keys and a route change: none fails.
reload seconds="10":
    cargo bench --profile dist -p interlingua --bench load -- reload {{ seconds }}
