module fyke-example

go 1.21
