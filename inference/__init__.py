"""Models run on what arrives: rules, jobs, the child that runs a bundle, SEG and SR."""
