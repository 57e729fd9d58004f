package stream

const sysSendto = 369 // since Linux 4.3; package syscall knows an older way alone
